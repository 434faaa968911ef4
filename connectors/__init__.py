"""Places a library can come from or go to. Knows no policy, no ledger, no retry."""
