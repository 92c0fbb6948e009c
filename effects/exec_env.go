package effects

import (
	"slices"
	"strings"
)

// bringsCode reports whether an environment variable can make a program execute what it would
// not: other libraries, functions of a shell, options of an interpreter, commands that are
// started on the way. The list is of what is widely known; --allow-exec of a program that
// starts what variables of its own name permits that, too.
func bringsCode(name string) bool {
	return slices.Contains(codeVariables, name) || slices.ContainsFunc(codePrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

var codePrefixes = []string{
	"LD_", "DYLD_", // the dynamic loader
	"BASH_FUNC_", // functions that every bash takes over, in place of commands
	"PYTHON", "PERL5", "GIT_CONFIG",
}

var codeVariables = []string{
	"PATH", "GCONV_PATH", "LOCPATH", "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES",
	"BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "IFS", "PROMPT_COMMAND", "ZDOTDIR", "FPATH", // shells
	"PERLLIB", "RUBYOPT", "RUBYLIB", "NODE_OPTIONS", "NODE_PATH", "LUA_INIT", "LUA_PATH", "LUA_CPATH", "PHPRC", "PHP_INI_SCAN_DIR",
	"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH",
	"GIT_SSH", "GIT_SSH_COMMAND", "GIT_PROXY_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_EXEC_PATH", "GIT_TEMPLATE_DIR", "GIT_ASKPASS", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR", "GIT_PAGER",
	"SSH_ASKPASS", "EDITOR", "VISUAL", "PAGER", "MANPAGER", "LESSOPEN", "LESSCLOSE", "BROWSER",
}
