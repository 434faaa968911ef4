"""What is known of the copies at the sinks, and of files there that may be copies."""
