"""The desktop around a ceremony: notifications, the fingerprint reader, and who sees the screen.

Nothing here is needed for a copy to succeed.  dbus-fast is imported with the first call, so that
a laptop that only waits is spared it.
"""
