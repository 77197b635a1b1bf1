"""`rollout report`: one rollout as a page, as Markdown and as JSON, from its journal alone.

`model` says what is told, `building` works it out of the journal's history, and `fields`, `markdown` and `page` each
write it down. `charts` gives the page its pictures.
"""
