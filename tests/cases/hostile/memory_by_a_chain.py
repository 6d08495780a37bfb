# Uses up its memory with a list of links, so that nothing is left to tell of it, having printed something before.
print("start")


class Node:
    def __init__(self, after):
        self.after = after


head = None
while True:
    head = Node(head)
# role: public
# expect: ending=exited:1|out_of_memory  stderr~"MemoryError|^$"
