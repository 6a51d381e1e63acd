"""The driver for BlueZ 5.66 and later: a peripheral through bless, a central through bleak.

Nothing outside this package imports either library, and this file imports nothing, so that
`nearproof.ble.bluez.adapter` can be asked about the machine without loading them.
"""
