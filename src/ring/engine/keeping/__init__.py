"""What costs disk and is needed no more: images, and what belongs to nothing."""
