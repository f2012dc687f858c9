"""What a platform lent: read, refused with reasons, or made up for the demo."""

from stresslab.book.checks import notes
from stresslab.book.demo import demo_book
from stresslab.book.files import Book, read_book, write_book

__all__ = ["Book", "demo_book", "notes", "read_book", "write_book"]
