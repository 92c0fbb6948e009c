package app

import ("testing";"os";"fmt";"encoding/json";"starquake/runtime/journal")

func TestZZ(t *testing.T) {
	s, d := Load(os.Getenv("F"))
	fmt.Println(d)
	if d.HasErrors() { t.Fatal() }
	r, err := s.Plan(PlanOptions{})
	if err != nil { t.Fatal(err) }
	fmt.Println(r.Outcome)
	for _, f := range r.Outcome.Failures { fmt.Printf("%+v\n", f.Problem) }
	for i, rec := range r.Records { if rec.Kind==journal.RunBegin||i>150 {continue}; b,_ := json.Marshal(rec); fmt.Println(string(b)) }
	fmt.Println(r.NotTaken)
}
