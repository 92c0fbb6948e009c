package main

import (
	"slices"
	"strings"

	"starquake/effects"
	"starquake/server"
)

// reachesItself warns of a server whose scripts may reach its own API where that takes whoever
// comes from this machine for an admin: a script of an operator would be one. "" is no warning.
func reachesItself(config *server.Config, tokens bool) string {
	if !tokens || !config.Gate.Open { // else there is nobody below admin, or everybody needs a token
		return ""
	}
	policy := effects.Policy{Network: slices.Concat(config.Env.AllowNet, config.Policy.AllowNet)}
	port := config.URL[strings.LastIndexByte(config.URL, ':')+1:]
	if policy.CheckURL(config.URL) != nil && !slices.Contains(policy.Network, "localhost") && !slices.Contains(policy.Network, "localhost:"+port) {
		return ""
	}
	return "scripts may reach the API of this server at " + config.URL + ", where every program of this machine is admin without a token, so a script of an operator is, too: give --require-token, or permit less with --allow-net"
}
