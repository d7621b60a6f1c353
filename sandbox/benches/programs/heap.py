import heapq

n = 60_000
edges = [[((i * 7 + 1) % n, 3), ((i * 13 + 5) % n, 7), ((i + 1) % n, 2)] for i in range(n)]
best = [10**9] * n
best[0] = 0
queue = [(0, 0)]
while queue:
    d, u = heapq.heappop(queue)
    if d > best[u]:
        continue
    for v, w in edges[u]:
        if d + w < best[v]:
            best[v] = d + w
            heapq.heappush(queue, (d + w, v))
print(sum(best))
