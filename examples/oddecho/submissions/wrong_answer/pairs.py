n = int(input())
for _ in range(n // 2):
    print(input())
    input()
