#include <algorithm>
#include <cstdio>
#include <map>
#include <unordered_map>
#include <vector>
int main() {
    std::map<int, int> sorted;
    std::unordered_map<int, int> hashed;
    std::vector<int> all;
    unsigned x = 1;
    for (int i = 0; i < 400000; i++) {
        x = x * 1103515245 + 12345;
        int key = (x >> 8) % 200000;
        sorted[key]++, hashed[key] += i, all.push_back(key);
    }
    std::sort(all.begin(), all.end());
    long long sum = 0;
    for (auto [key, n] : sorted) sum += 1LL * n * hashed[key];
    printf("%lld %d\n", sum, all[all.size() / 2]);
}
