"""What is being typed: the text before the cursor, taken apart however unfinished it is, and which names fit. Pure.

Runs in: worker and host (Python 3.10 and newer).
"""
