// Package files reads orchestration files, YAML and JSON, and turns them into
// Starlark programs and back. The contract is the page on file formats.
//
//	Read       bytes → Doc, with every problem of the file at its place
//	Table      the keys of the schema, from which Read, the JSON Schema and the
//	           reference are made
//	Transpile  Doc → a Starlark program that a person would have written, and a map
//	           from its positions to those of the file
//	Export     a Starlark program → Doc, where the schema can say it
//	Write      Doc → YAML or JSON
//
// There is one runtime: a file never runs but as the program that it becomes. Nothing
// here acts, and nothing opens files: text comes in, text and diagnostics go out. Of
// the other packages it knows dsl, for diagnostics and the syntax tree, and chaos,
// whose fault model the config blocks speak of.
package files
