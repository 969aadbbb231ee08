import { describeWithAedes } from '../support/brokers';
import { patches } from './exchange-suite';

describeWithAedes('the change of a configuration', patches);
