counts = {}
x = 1
for _ in range(600_000):
    x = (x * 1103515245 + 12345) % 2147483648
    counts[x % 50_000] = counts.get(x % 50_000, 0) + 1
words = {str(k): v for k, v in counts.items()}
print(len(words), max(words.values()))
