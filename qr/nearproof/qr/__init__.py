"""The QR code: its text, its rendering, and the cameras and decoders that read it."""
