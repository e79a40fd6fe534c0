// Package secrets keeps secret values sealed in the store, and finds the values that task definitions name: in that
// store, or at an endpoint that speaks for AWS Secrets Manager, Systems Manager and S3. It reads environment files too.
//
// The store and its backups hold no value that could be read: each is sealed with a key of a file that only the server
// and the agents have. Whoever names a value gets it in the memory of the agent, on its way to the container.
package secrets
