"""What `mailsla doctor` says, and what it looks at of what has landed."""
