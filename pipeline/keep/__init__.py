"""What people would miss if only their files were kept: XMP sidecars, album folders and indexes."""
