// The official JavaScript client, unmodified, walks every call of the REST API that it has, against a small Gitea here.
import assert from "node:assert/strict";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const { SEALINK_CACHE, SEALINK_URL, SEALINK_TOKEN, SEALINK_ACCOUNT_FORGE } = process.env;
const require = createRequire(path.join(SEALINK_CACHE, "node", "package.json"));
const { clientFromToken, Client } = require("scalingo");

const TOKEN = "a-token-of-the-forge";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";
const repository = { id: 7, name: "hello", full_name: "octo/hello", html_url: `${SEALINK_ACCOUNT_FORGE}/octo/hello`, description: "", fork: false };
const answers = {
  "/api/v1/user": { id: 1, login: "octo", email: "octo@forge.example", avatar_url: `${SEALINK_ACCOUNT_FORGE}/octo.png` },
  "/api/v1/user/keys": [{ id: 1, title: "laptop", key: KEY }],
  "/api/v1/user/orgs": [{ id: 3, username: "octo-org", avatar_url: "", description: "Shops" }],
  "/api/v1/repos/search": { ok: true, data: [repository] },
  "/api/v1/repos/octo/hello/pulls": [
    { id: 102, number: 2, title: "A change", html_url: `${SEALINK_ACCOUNT_FORGE}/octo/hello/pulls/2`, head: { repo: repository } },
  ],
  "/api/v1/repos/octo/hello/branches": [{ name: "main" }, { name: "feature/x" }],
};
const asked = [];
const forge = http.createServer((request, response) => {
  const url = new URL(request.url, SEALINK_ACCOUNT_FORGE);
  asked.push(url);
  const known = request.headers.authorization === `token ${TOKEN}`;
  const found = known ? answers[url.pathname] : { message: "no" };
  response.writeHead(known ? (found ? 200 : 404) : 401, { "content-type": "application/json" });
  response.end(JSON.stringify(found ?? { message: "not found" }));
});
await new Promise((ready) => forge.listen(new URL(SEALINK_ACCOUNT_FORGE).port, "127.0.0.1", ready));

/** What a call is refused with. */
async function refused(call, status, message) {
  const error = await call.then(() => assert.fail("it was not refused"), (error) => error);
  assert.equal(error.status, status);
  assert.equal(error.message, message);
  return error.data;
}

const options = { authApiUrl: SEALINK_URL, apiUrl: SEALINK_URL };
await refused(clientFromToken("tk-us-wrong", options), 401, "Invalid credentials");
const client = await clientFromToken(SEALINK_TOKEN, options);

const user = await client.Users.self();
assert.match(user.id, /^us-[0-9a-f-]{36}$/);
assert.equal(user.username, "admin");
const regions = await client.Regions.all();
assert.deepEqual(regions.map((region) => [region.name, region.api, region.default]), [["local", SEALINK_URL, true]]);

const stored = await client.Keys.create("by hand", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB");
assert.equal((await client.Keys.show(stored.id)).name, "by hand");
assert.deepEqual((await client.Keys.all()).map((key) => key.name), ["by hand"]);
const blank = await refused(client.Keys.create("", "x"), 422, "content must be a public key as in authorized_keys: ssh-ed25519 AAAA.. comment, name can't be blank");
assert.deepEqual(Object.keys(blank.errors), ["content", "name"]);
await client.Keys.destroy(stored.id);

const { SCMIntegrations: accounts } = client;
assert.deepEqual(await accounts.all(), []);
const gitea = { scm_type: "gitea", url: SEALINK_ACCOUNT_FORGE, access_token: TOKEN };
await refused(accounts.create({ ...gitea, access_token: "wrong" }), 422, "access_token is not accepted by the forge");
const account = await accounts.create(gitea);
assert.equal(account.url, SEALINK_ACCOUNT_FORGE);
assert.equal(account.uid, "1");
assert.equal(account.access_token, undefined);
for (const id of [account.id, "gitea"]) {
  assert.deepEqual(await accounts.find(id), account);
}
assert.deepEqual(await accounts.all(), [account]);

assert.deepEqual((await accounts.importSSHKeys(account.id)).map((key) => key.name), ["gitea-laptop"]);
assert.deepEqual(await accounts.importSSHKeys(account.id), []);
const found = await accounts.searchRepositories(account.id, "hello user:octo fork:true");
assert.deepEqual(found.map((one) => [one.id, one.fullName, one.description]), []);
const words = await accounts.searchRepositories(account.id, "hello octo/hello");
assert.deepEqual(words.map((one) => [one.id, one.fullName, one.description]), [[7, "octo/hello", null]]);
assert.deepEqual(await accounts.searchRepositories(account.id, "hello c++"), [], "every word must match");
const { organizations, meta } = await accounts.organizations(account.id, 1, 20);
assert.deepEqual(organizations.map((one) => [one.login, one.url]), [["octo-org", `${SEALINK_ACCOUNT_FORGE}/api/v1/orgs/octo-org`]]);
assert.equal(meta.pagination.total_count, 1);
const pulls = await accounts.searchPullRequests(account.id, "is:open repo:octo/hello change");
assert.deepEqual(pulls.map((one) => [one.number, one.source_repo_name]), [[2, "octo/hello"]]);
await refused(accounts.searchPullRequests(account.id, "is:open"), 422, "query must name exactly one repository as repo:owner/name");
assert.deepEqual(await accounts.branchesForRepo(account.id, "octo/hello"), [{ name: "main" }, { name: "feature/x" }]);
await refused(accounts.branchesForRepo(account.id, "octo/missing"), 404, "not found");

await accounts.destroy(account.id);
const missing = await refused(accounts.find(account.id), 404, "SCM integration not found");
assert.deepEqual(missing, { error: "SCM integration not found", code: "account_not_found" });
for (const key of await client.Keys.all()) {
  await client.Keys.destroy(key.id);
}
assert(asked.every((url) => !url.href.includes(TOKEN)));

await refused(new Client("nonsense", options).Users.self(), 401, "missing or invalid bearer token");
forge.close();
forge.closeAllConnections();
