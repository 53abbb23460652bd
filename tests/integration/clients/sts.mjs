// sts.mjs - asks STS who it is with the credentials of mfad's endpoint.
// usage: node sts.mjs fromHttp|default ENDPOINT. Prints the ARN, or the error as its user sees it.
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { fromHttp } from '@aws-sdk/credential-providers';

const [how, endpoint] = process.argv.slice(2);
const credentials = how === 'fromHttp' ? fromHttp() : undefined; // undefined: the SDK's default chain
try {
        const client = new STSClient({ endpoint, region: 'us-east-1', credentials });
        const answer = await client.send(new GetCallerIdentityCommand({}));
        console.log(answer.Arn);
} catch (error) {
        console.error(`${error.name}: ${error.message}`);
        if (error.Code) // what a program that looks for it finds
                console.error(`${error.Code}: ${error.Message}`);
        process.exitCode = 1;
}
