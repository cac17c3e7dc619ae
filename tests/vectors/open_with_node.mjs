// Opens Sealink's vectors with jose. Arguments: the folder that holds node_modules, then those with vectors.
import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const modules = createRequire(pathToFileURL(`${process.argv[2]}/`));
const { compactDecrypt, calculateJwkThumbprint, exportJWK } = await import(pathToFileURL(modules.resolve("jose")));

const files = process.argv.slice(3).flatMap((folder) => ["rsa-2048", "rsa-3072", "rsa-4096"].map((file) => [folder, file]));
const allowed = { keyManagementAlgorithms: ["RSA-OAEP-256"], contentEncryptionAlgorithms: ["A256GCM"] };

for (const [folder, file] of files) {
  const vectors = JSON.parse(readFileSync(`${folder}/${file}.json`));
  const key = createPrivateKey(readFileSync(new URL(`keys/${file}.pem`, import.meta.url)));
  const { kty, n, e } = await exportJWK(key);
  if ((await calculateJwkThumbprint({ kty, n, e })) !== vectors.key.kid) throw new Error(`${file}: another kid`);

  for (const { name, secret, sealed } of vectors.good) {
    const { plaintext } = await compactDecrypt(sealed.token, key, allowed);
    if (new TextDecoder().decode(plaintext) !== secret) throw new Error(`${file}: ${name}: another plaintext`);
  }
  const refused = vectors.bad.filter((vector) => vector.any_opener);
  for (const { name, sealed } of refused) {
    const opened = await compactDecrypt(sealed.token, key, allowed).then(() => true, () => false);
    if (opened) throw new Error(`${file}: ${name}: jose opened it`);
  }
  if (vectors.good.length < 5) throw new Error(`${file}: too few vectors`);
  console.log(`jose: ${file}.json: ${vectors.good.length} opened, ${refused.length} refused`);
}
