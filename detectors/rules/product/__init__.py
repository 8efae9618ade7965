"""Product Management: what people ask for and do not have."""
