"""Early warning: what was known each evening, alarms made of it, and what they were worth on dated events; it simulates nothing."""
