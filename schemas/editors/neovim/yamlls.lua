-- Into after/lsp/yamlls.lua of the configuration (Neovim 0.11), and `vim.lsp.enable("yamlls")` into init.lua;
-- wants yaml-language-server in PATH.
return {
  settings = {
    yaml = {
      schemas = {
        ["./schemas/flow.schema.json"] = "flows/**/*.yaml",
        ["./schemas/config.schema.json"] = "flowctl.yaml",
      },
    },
  },
}
