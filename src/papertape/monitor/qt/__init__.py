"""The window itself: draws what a `Screen` holds. Needs the extra `qt`."""
