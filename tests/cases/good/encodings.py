# Uses JSON, digests, Base64, UUIDs, secrets and syntax trees.
import ast, base64, hashlib, json, secrets, uuid

text = json.dumps({"é": [1, 2.5, None, True]}, indent=1)
print(json.loads(text) == {"é": [1, 2.5, None, True]}, json.dumps("é☃😀", ensure_ascii=False), json.loads('[1e3, "\\ud83d\\ude00"]'))
try:
    json.loads('{"a": }')
except json.JSONDecodeError as error:
    print(error)
print({name: hashlib.new(name, b"abc").hexdigest()[:6] for name in ("md5", "sha1", "sha256", "sha3_512", "blake2b")}, hashlib.scrypt(b"p", salt=b"s", n=16, r=1, p=1).hex()[:6], hashlib.pbkdf2_hmac("sha256", b"p", b"s", 1000).hex()[:6])
print(base64.b85encode(b"hello"), base64.urlsafe_b64decode("_-8="), base64.b32encode(b"hi"))
print(uuid.uuid5(uuid.NAMESPACE_DNS, "python.org"), uuid.uuid4().version, uuid.uuid1().version, len(secrets.token_hex(8)), secrets.compare_digest("a", "a"))
tree = ast.parse("x = [i * 2 for i in range(3)]")
print(ast.unparse(tree), [type(node).__name__ for node in ast.walk(tree)][:4], ast.literal_eval("{'a': (1, -2)}"))
# role: public
# expect: ending=exited:0  stdout="True \"é☃😀\" [1000.0, '😀']\nExpecting value: line 1 column 7 (char 6)\n{'md5': '900150', 'sha1': 'a9993e', 'sha256': 'ba7816', 'sha3_512': 'b75185', 'blake2b': 'ba80a5'} 13a689 07f5f5\nb'Xk~0{Zv' b'\\xff\\xef' b'NBUQ===='\n886313e1-3b8a-5372-9b90-0c9aee199e5d 4 1 16 True\nx = [i * 2 for i in range(3)] ['Module', 'Assign', 'Name', 'ListComp'] {'a': (1, -2)}\n"  stderr=""
