"""Loopback doubles of iCloud, an iPhone, Google Drive and Dropbox that speak the real protocols."""
