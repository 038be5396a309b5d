"""The relay of Oblivious HTTP: a process that anybody can run, which sees who asks and never what."""
