"""What a supervisor is sent: an xBRL-CSV package with its taxonomy, the workbook beside it, and the check of a package.

Judgement only: everything comes from a finished run's folder and from what the entity says of itself.
"""

from __future__ import annotations

from stresslab.submission.check import Checked, check_submission
from stresslab.submission.write import Submitted, submit

__all__ = ["Checked", "Submitted", "check_submission", "submit"]
