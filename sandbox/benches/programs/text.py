import json
import re

rows = [{"id": i, "name": f"name-{i}", "tags": [str(i % 7), str(i % 11)]} for i in range(20_000)]
text = json.dumps(rows)
found = re.findall(r'"name-(\d+)", "tags": \["(\d)", "(\d+)"\]', text)
print(len(json.loads(text)), sum(int(a) * int(b) for a, b, _ in found))
