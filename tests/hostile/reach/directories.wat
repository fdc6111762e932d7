;; Lists the directories that it may open.
;; code: 101
;; told: the plugin called wasi:filesystem/preopens@0.2.6#get-directories, which plugins do not have
(call $preopens.get-directories (i32.const 512))
