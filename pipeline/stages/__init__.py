"""The stages an asset passes: discover, download, verify, upload, confirm."""
