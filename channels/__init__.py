"""How messages are sent: one protocol, and one file for each helpdesk or messenger."""
