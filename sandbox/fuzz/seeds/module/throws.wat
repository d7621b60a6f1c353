(module
  (type $pair (struct (field i32) (field (mut i64))))
  (tag $t (param i32))
  (func (export "_start")
    (block $h (result i32) (try_table (catch $t $h) (throw $t (i32.const 1))) (i32.const 0))
    drop
    (drop (struct.new $pair (i32.const 1) (i64.const 2)))
    (drop (i32x4.add (v128.const i32x4 1 2 3 4) (v128.const i32x4 1 2 3 4)))))
