"""Whether a killed run can simply be started again: SIGKILL at many moments, the same command, and a comparison row by row.

``python -m benchmarks.kills --rounds 20`` materializes two days of the web and tokens lanes undisturbed, then kills the
same command (the whole process group, its driver alone, Spark's JVM alone, or one Python worker alone), starts it again
until it ends by itself, and compares what lies there with the undisturbed run's. Linux only: processes are found in /proc.
"""
