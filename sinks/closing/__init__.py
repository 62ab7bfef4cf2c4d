"""Closing a month: the plan, the measuring SQL, the judgement, the ledger of revisions."""
