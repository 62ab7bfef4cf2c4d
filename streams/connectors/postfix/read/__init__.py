"""One line of a Postfix log: what it says, when, whether it matters, through which relay."""
