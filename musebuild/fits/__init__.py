"""One frame: fast header reading, classification, content digest."""
