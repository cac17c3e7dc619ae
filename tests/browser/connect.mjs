// What a person does in a browser after following a link of CheckAuthenticationForHost: confirms at Sealink, signs in at
// the forge (Gitea), says yes, and reads "Connected as ..".
//
//   node connect.mjs URL     TEST_GITEA_USER and TEST_GITEA_PASSWORD sign in; TEST_CHROMIUM: the browser's program
//
// Prints the heading of the last page. Anything unexpected ends it with a picture of what the person would have seen, at
// TEST_BROWSER_PICTURE if that is set.
import process from "node:process";
import { chromium } from "playwright-core";

const PATIENCE = 20_000;
const [url] = process.argv.slice(2);
const { TEST_CHROMIUM, TEST_GITEA_USER, TEST_GITEA_PASSWORD, TEST_BROWSER_PICTURE } = process.env;

async function connect(page) {
  await page.goto(url);
  await page.getByRole("heading", { name: "Connect an account" }).waitFor();
  await page.getByRole("button", { name: /^Continue to / }).click();

  await page.getByLabel("Username or Email Address").fill(TEST_GITEA_USER);
  await page.getByLabel("Password").fill(TEST_GITEA_PASSWORD);
  await page.getByRole("button", { name: "Sign In", exact: true }).click();

  await page.getByRole("button", { name: "Authorize Application" }).click();
  const heading = page.getByRole("heading", { name: /^Connected as / });
  await heading.waitFor();
  return heading.textContent();
}

const browser = await chromium.launch({ executablePath: TEST_CHROMIUM, args: ["--no-sandbox"], timeout: PATIENCE });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  try {
    console.log(await connect(page));
  } catch (error) {
    console.error(`at ${new URL(page.url()).pathname}: ${await page.title()}\n${await page.innerText("body")}`);
    if (TEST_BROWSER_PICTURE) await page.screenshot({ path: TEST_BROWSER_PICTURE });
    throw error;
  }
} finally {
  await browser.close();
}
