import js from "@eslint/js";
import { defineConfig } from "eslint/config";
import hooks from "eslint-plugin-react-hooks";
import globals from "globals";
import ts from "typescript-eslint";

export default defineConfig(
  { ignores: ["dist", "engine/dist", "engine/src/wasm", "engine/example", "node_modules", "public"] },
  js.configs.recommended,
  ...ts.configs.strictTypeChecked,
  {
    languageOptions: {
      globals: { ...globals.browser, ...globals.node },
      parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js", "compress.mjs", "tests/unit/run.mjs"] }, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { "react-hooks": hooks },
    rules: {
      ...hooks.configs.recommended.rules,
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  // Served as it is, without a build: plain JavaScript has no types.
  { files: ["tests/wasm/*.js"], ...ts.configs.disableTypeChecked },
  // Node's runner waits for the tests that it was told of.
  {
    files: ["tests/unit/**"],
    rules: {
      "@typescript-eslint/no-floating-promises": ["error", { allowForKnownSafeCalls: [{ from: "package", name: ["describe", "test"], package: "node:test" }] }],
    },
  },
  // In tests `use` is Playwright's word for handing out a fixture.
  { files: ["tests/**"], rules: { "react-hooks/rules-of-hooks": "off" } },
);
