"""What every training needs: loop, optimisers, checkpoints, seeding, metrics with intervals, reports, the sandbox.

Empty on purpose: `arc.kit.spec` is read by specs that must not reach torch. No module of this room runs a
tensor operation while it is imported, because the warm server imports them before it forks: one tensor
operation in the parent starts native threads, and the child then waits for them for ever.
"""
