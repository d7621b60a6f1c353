// The two containers of GNU's policy-based data structures that contest programs use: a tree that knows the rank of its
// keys, and a hash table. The names and what they do are GNU's; the tree here is a treap whose nodes know their size.
#pragma once
#include <cstddef>
#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace __gnu_pbds {

struct null_type {};
typedef null_type null_mapped_type;
struct rb_tree_tag {};
struct splay_tree_tag {};
struct ov_tree_tag {};

template <class...>
struct tree_order_statistics_node_update {};
template <class...>
struct null_node_update {};

namespace flow_detail {

template <class Key, class Mapped>
struct traits {
  typedef std::pair<const Key, Mapped> value;
  static const Key& key(const value& v) { return v.first; }
  static value make(const Key& k) { return value(k, Mapped()); }
};
template <class Key>
struct traits<Key, null_type> {
  typedef const Key value;
  static const Key& key(const Key& v) { return v; }
  static Key make(const Key& k) { return k; }
};

template <class Value>
struct node {
  Value value;
  node *left = nullptr, *right = nullptr, *up = nullptr;
  unsigned priority;
  std::size_t size = 1;
  node(const Value& v, unsigned p) : value(v), priority(p) {}
};

template <class Node>
struct walk {
  static Node* first(Node* n) {
    while (n && n->left) n = n->left;
    return n;
  }
  static Node* last(Node* n) {
    while (n && n->right) n = n->right;
    return n;
  }
  static Node* next(Node* n) {
    if (n->right) return first(n->right);
    while (n->up && n == n->up->right) n = n->up;
    return n->up;
  }
  static Node* previous(Node* n) {
    if (n->left) return last(n->left);
    while (n->up && n == n->up->left) n = n->up;
    return n->up;
  }
};

}  // namespace flow_detail

template <class Key, class Mapped, class Less = std::less<Key>, class Tag = rb_tree_tag,
          template <class...> class Update = null_node_update, class Allocator = std::allocator<char>>
class tree {
  typedef flow_detail::traits<Key, Mapped> traits;
  typedef flow_detail::node<typename traits::value> node;
  typedef flow_detail::walk<node> walk;

 public:
  typedef Key key_type;
  typedef Mapped mapped_type;
  typedef typename traits::value value_type;
  typedef std::size_t size_type;
  typedef Less cmp_fn;

  class iterator {
   public:
    typedef std::bidirectional_iterator_tag iterator_category;
    typedef typename traits::value value_type;
    typedef std::ptrdiff_t difference_type;
    typedef value_type* pointer;
    typedef value_type& reference;
    iterator() = default;
    reference operator*() const { return at->value; }
    pointer operator->() const { return &at->value; }
    iterator& operator++() { at = walk::next(at); return *this; }
    iterator operator++(int) { iterator old = *this; ++*this; return old; }
    iterator& operator--() { at = at ? walk::previous(at) : walk::last(in->root); return *this; }
    iterator operator--(int) { iterator old = *this; --*this; return old; }
    bool operator==(const iterator& other) const { return at == other.at; }
    bool operator!=(const iterator& other) const { return at != other.at; }

   private:
    friend class tree;
    iterator(node* n, const tree* t) : at(n), in(t) {}
    node* at = nullptr;
    const tree* in = nullptr;
  };
  typedef iterator const_iterator;
  typedef iterator point_iterator;
  typedef iterator point_const_iterator;

  tree() = default;
  explicit tree(const Less& l) : less(l) {}
  template <class It>
  tree(It from, It to) { for (; from != to; ++from) insert(*from); }
  tree(const tree& other) : less(other.less) { for (auto& v : other) insert(v); }
  tree(tree&& other) noexcept { swap(other); }
  tree& operator=(tree other) { swap(other); return *this; }
  ~tree() { clear(); }

  void swap(tree& other) { std::swap(root, other.root); std::swap(less, other.less); }
  std::size_t size() const { return count(root); }
  bool empty() const { return !root; }
  void clear() {
    while (root) erase(begin());
  }
  iterator begin() const { return iterator(walk::first(root), this); }
  iterator end() const { return iterator(nullptr, this); }

  std::pair<iterator, bool> insert(const value_type& value) {
    const Key& key = traits::key(value);
    node *up = nullptr, *at = root;
    while (at) {
      up = at;
      if (less(key, traits::key(at->value))) at = at->left;
      else if (less(traits::key(at->value), key)) at = at->right;
      else return {iterator(at, this), false};
    }
    node* fresh = new node(value, chance());
    fresh->up = up;
    if (!up) root = fresh;
    else if (less(key, traits::key(up->value))) up->left = fresh;
    else up->right = fresh;
    for (node* n = up; n; n = n->up) ++n->size;
    while (fresh->up && fresh->up->priority < fresh->priority) lift(fresh);
    return {iterator(fresh, this), true};
  }
  auto& operator[](const Key& key) { return insert(traits::make(key)).first.at->value.second; }

  iterator find(const Key& key) const {
    iterator it = lower_bound(key);
    return it.at && !less(key, traits::key(it.at->value)) ? it : end();
  }
  iterator lower_bound(const Key& key) const {
    node* best = nullptr;
    for (node* n = root; n;) {
      if (less(traits::key(n->value), key)) n = n->right;
      else best = n, n = n->left;
    }
    return iterator(best, this);
  }
  iterator upper_bound(const Key& key) const {
    node* best = nullptr;
    for (node* n = root; n;) {
      if (less(key, traits::key(n->value))) best = n, n = n->left;
      else n = n->right;
    }
    return iterator(best, this);
  }

  iterator erase(iterator it) {
    node* n = it.at;
    iterator after(walk::next(n), this);
    while (n->left && n->right) lift(n->left->priority > n->right->priority ? n->left : n->right);
    node* child = n->left ? n->left : n->right;
    replace(n, child);
    for (node* u = n->up; u; u = u->up) --u->size;
    delete n;
    return after;
  }
  bool erase(const Key& key) {
    iterator it = find(key);
    if (!it.at) return false;
    erase(it);
    return true;
  }

  // The key with so many smaller ones, and how many keys are smaller.
  iterator find_by_order(std::size_t order) const {
    node* n = root;
    while (n) {
      std::size_t smaller = count(n->left);
      if (order == smaller) break;
      if (order < smaller) n = n->left;
      else order -= smaller + 1, n = n->right;
    }
    return iterator(n, this);
  }
  std::size_t order_of_key(const Key& key) const {
    std::size_t smaller = 0;
    for (node* n = root; n;) {
      if (less(traits::key(n->value), key)) smaller += count(n->left) + 1, n = n->right;
      else n = n->left;
    }
    return smaller;
  }

  // All keys of another tree, none of which may be between those of this one.
  void join(tree& other) {
    for (auto& v : other) insert(v);
    other.clear();
  }
  // Keys larger than this one go to the other tree.
  void split(const Key& key, tree& other) {
    other.clear();
    for (iterator it = upper_bound(key); it.at;) other.insert(*it), it = erase(it);
  }

 private:
  static std::size_t count(const node* n) { return n ? n->size : 0; }
  static unsigned chance() {
    static unsigned state = 2463534242u;
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return state;
  }
  void replace(node* n, node* by) {
    if (by) by->up = n->up;
    if (!n->up) root = by;
    else if (n->up->left == n) n->up->left = by;
    else n->up->right = by;
  }
  // Turns a node above the one it hangs from.
  void lift(node* n) {
    node* up = n->up;
    replace(up, n);
    if (up->left == n) {
      up->left = n->right;
      if (n->right) n->right->up = up;
      n->right = up;
    } else {
      up->right = n->left;
      if (n->left) n->left->up = up;
      n->left = up;
    }
    up->up = n;
    n->size = up->size;
    up->size = count(up->left) + count(up->right) + 1;
  }

  node* root = nullptr;
  Less less;
};

namespace flow_detail {
template <class Key, class Mapped, class Hash, class Equal>
struct table : std::unordered_map<Key, Mapped, Hash, Equal> {
  using std::unordered_map<Key, Mapped, Hash, Equal>::unordered_map;
};
template <class Key, class Hash, class Equal>
struct table<Key, null_type, Hash, Equal> : std::unordered_set<Key, Hash, Equal> {
  using std::unordered_set<Key, Hash, Equal>::unordered_set;
};
}  // namespace flow_detail

template <class Key, class Mapped, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>, class... Rest>
using gp_hash_table = flow_detail::table<Key, Mapped, Hash, Equal>;
template <class Key, class Mapped, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>, class... Rest>
using cc_hash_table = flow_detail::table<Key, Mapped, Hash, Equal>;

}  // namespace __gnu_pbds
