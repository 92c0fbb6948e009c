package client

import (
	"context"
	"net/http"
	"net/url"

	"starquake/server"
	"starquake/server/schedule"
)

// schedulePath is the path of a schedule, or of something that is done with it.
func schedulePath(name, part string) string {
	path := "/api/v1/schedules"
	if name != "" {
		path += "/" + url.PathEscape(name)
	}
	if part != "" {
		path += "/" + part
	}
	return path
}

// Schedules lists the schedules.
func (c *Client) Schedules(ctx context.Context) (out server.ScheduleList, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: schedulePath("", ""), again: true}, &out)
	return out, err
}

// Schedule is a schedule as it stands.
func (c *Client) Schedule(ctx context.Context, name string) (out server.Schedule, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: schedulePath(name, ""), again: true}, &out)
	return out, err
}

// PutSchedule makes a schedule, or changes one.
func (c *Client) PutSchedule(ctx context.Context, name string, d schedule.Definition) (out server.Schedule, err error) {
	err = c.do(ctx, call{method: http.MethodPut, path: schedulePath(name, ""), body: d}, &out)
	return out, err
}

// EnableSchedule lets a schedule start runs by itself, or not.
func (c *Client) EnableSchedule(ctx context.Context, name string, on bool) (out server.Schedule, err error) {
	verb := "enable"
	if !on {
		verb = "disable"
	}
	err = c.do(ctx, call{method: http.MethodPost, path: schedulePath(name, verb)}, &out)
	return out, err
}

// TriggerSchedule starts a run of a schedule now.
func (c *Client) TriggerSchedule(ctx context.Context, name string) (out server.Triggered, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: schedulePath(name, "trigger")}, &out)
	return out, err
}

// DeleteSchedule removes a schedule; its runs go on.
func (c *Client) DeleteSchedule(ctx context.Context, name string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: schedulePath(name, "")}, nil)
}
