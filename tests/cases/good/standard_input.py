# Reads its standard input by prompts; prompts go to standard output and nothing is echoed.
name = input("Name: ")
age = int(input("Age: "))
print(f"Hello, {name}! {age + 1}")
# role: public
# stdin: "Alice\n41\n"
# expect: ending=exited:0  stdout="Name: Age: Hello, Alice! 42\n"  stderr=""
