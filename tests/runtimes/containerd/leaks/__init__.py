"""What containerd instances leave behind: nothing, whatever is killed meanwhile.

Each scenario runs in the network namespace of a containerd of its own, so that every link, rule and
address that it finds there is its own.
"""
