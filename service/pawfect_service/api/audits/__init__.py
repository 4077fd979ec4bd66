"""Audits of sessions: started by admins, run by `pawfect audit` as a process of its own."""
