"""What ``mailsla doctor`` looks at: each check gives findings, whatever it meets."""
