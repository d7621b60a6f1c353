#include <cstdio>
#include <vector>
int main() {
    const int n = 20000000;
    std::vector<bool> composite(n + 1);
    long long sum = 0;
    for (int i = 2; i <= n; i++) {
        if (composite[i]) continue;
        sum += i;
        for (long long j = 1LL * i * i; j <= n; j += i) composite[j] = true;
    }
    printf("%lld\n", sum);
}
