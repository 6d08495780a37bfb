# Raises what Ctrl-C raises, and ends as CPython ends then: by the signal.
raise KeyboardInterrupt
# role: public
# expect: ending=signal:2  stdout=""  stderr~"KeyboardInterrupt"
