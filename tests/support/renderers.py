"""The formatters as the program gives them to its queues."""

from __future__ import annotations

from channels.renderers import PictureFile, Renderers
from reports import csv_text, markdown, png, text
from reports.neutral import defused

RENDERERS = Renderers(
    subject=lambda message: defused(message.headline),
    text=text.render,
    markdown=markdown.render,
    csv=csv_text.render,
    picture=lambda one: PictureFile(*png.named(one)),
)
