from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.spec import User
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.oci.users import ResolvedUser, resolve

if TYPE_CHECKING:
    from ring.runtimes.containerd.rootfs import Root

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
  daemon:x:1:1:daemon:/usr/sbin:/bin/false

app:x:1000:1001:App:/home/app:/bin/sh
again:x:1000:1009::/home/again:/bin/sh
777:x:50:50::/home/number:/bin/sh
bare:x:60:60
crooked:x:seven:8::
last:x:4294967294:4294967294::
nobody:x:4294967295:65534::
minus:x:-2:65534::
grouped:x:70:4294967296::
long:x:{long}:1::
listed:x:71:71::
""".format(long="9" * 5000)
GROUP = """\
# comments are as glibc takes them
root:x:0:
wheel:x:10:root,app
app:x:1001:
  extra:x:2000:other,app
888:x:51:
huge:x:4294967295:listed
"""


class Files:
    def __init__(self, **files: str) -> None:
        self._files = {f"/etc/{name}": content for name, content in files.items()}

    def read(self, path: str, most_bytes: int) -> bytes | None:
        content = self._files.get(path)
        return None if content is None else content.encode()


def root(**files: str) -> Root:
    return cast("Root", Files(**files))  # all that is asked of it


IMAGE = root(passwd=PASSWD, group=GROUP)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("", ResolvedUser(0, 0, (0, 10), "/root")),
        ("root", ResolvedUser(0, 0, (0, 10), "/root")),
        ("daemon", ResolvedUser(1, 1, (1,), "/usr/sbin")),
        ("app", ResolvedUser(1000, 1001, (1001, 10, 2000), "/home/app")),
        ("1000", ResolvedUser(1000, 1001, (1001, 10, 2000), "/home/app")),
        ("app:extra", ResolvedUser(1000, 2000, (2000,), "/home/app")),
        ("app:5", ResolvedUser(1000, 5, (5,), "/home/app")),
        ("1000:1000", ResolvedUser(1000, 1000, (1000,), "/home/app")),
        (":app", ResolvedUser(0, 1001, (1001,), "/root")),
        ("4321", ResolvedUser(4321, 0, (0,), "/")),
        ("4321:1234", ResolvedUser(4321, 1234, (1234,), "/")),
        ("777", ResolvedUser(777, 0, (0,), "/")),
        ("app:888", ResolvedUser(1000, 888, (888,), "/home/app")),
        ("bare", ResolvedUser(60, 60, (60,), "/")),
        ("crooked", ResolvedUser(0, 8, (8,), "/")),
        ("last", ResolvedUser(4294967294, 4294967294, (4294967294,), "/")),
        ("listed:5", ResolvedUser(71, 5, (5,), "/")),
        ("0" * 5000 + "1000:+5", ResolvedUser(1000, 5, (5,), "/home/app")),
    ],
)
def test_a_written_user(written: str, found: ResolvedUser) -> None:
    assert resolve(None, written, IMAGE) == found


@pytest.mark.parametrize(
    ("user", "found"),
    [
        (User(id=1000), ResolvedUser(1000, 1001, (1001, 10, 2000), "/home/app")),
        (User(id=1000, group=10), ResolvedUser(1000, 10, (10,), "/home/app")),
        (User(id=0), ResolvedUser(0, 0, (0, 10), "/root")),
        (User(id=4321), ResolvedUser(4321, 0, (0,), "/")),
        (User(privileged=True), ResolvedUser(1, 1, (1,), "/usr/sbin")),
    ],
)
def test_the_orders_user_goes_before_the_images(user: User, found: ResolvedUser) -> None:
    assert resolve(user, "daemon", IMAGE) == found


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("no-one", "no user 'no-one'"),
        ("nobody", "from 0 to 4294967294, not to 4294967295"),
        ("minus", "from 0 to 4294967294, not to -2"),
        ("grouped", "from 0 to 4294967294, not to 4294967296"),
        ("listed", "from 0 to 4294967294"),
        ("app:huge", "from 0 to 4294967294"),
        ("long", "from 0 to 4294967294"),
        ("8" * 5000, "from 0 to"),
        ("-" + "8" * 5000, "from 0 to 2147483647"),
        ("app:" + "8" * 5000, "from 0 to 2147483647"),
        ("app:nobody", "no group 'nobody'"),
        ("2147483648", "from 0 to 2147483647"),
        ("-1", "from 0 to 2147483647"),
        ("app:2147483648", "from 0 to 2147483647"),
    ],
)
def test_who_is_not_known(written: str, why: str) -> None:
    with pytest.raises(RuntimeFailure, match=why) as caught:
        resolve(None, written, IMAGE)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED


def test_an_image_need_not_have_the_files() -> None:
    assert resolve(None, "", root()) == ResolvedUser(0, 0, (0,), "/")
    assert resolve(None, "12:34", root()) == ResolvedUser(12, 34, (34,), "/")
    assert resolve(None, "app", root(passwd=PASSWD)) == ResolvedUser(
        1000, 1001, (1001,), "/home/app"
    )
