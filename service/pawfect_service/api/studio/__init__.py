"""What the page needs to know before anybody does anything: who is signed in, what can be done."""
