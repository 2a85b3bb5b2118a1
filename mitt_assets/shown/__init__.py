"""What people see of a partition that was made: numbers, a picture, a few rows, links.

It is made beside the step and stored with the run, not with the data: nothing here changes a digest
or makes anything stale.
"""
